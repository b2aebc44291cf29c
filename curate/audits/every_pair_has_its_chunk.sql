-- Every pair has its chunk and its question, and lies in the chunk's split and cluster.
SELECT p.pair_id AS key
FROM pairs AS p
LEFT JOIN chunks AS c ON c.chunk_id = p.chunk_id
LEFT JOIN questions AS q ON q.question_id = p.question_id AND q.chunk_id = p.chunk_id
WHERE
    c.split IS DISTINCT FROM p.split
    OR c.cluster_id IS DISTINCT FROM p.cluster_id
    OR q.question_id IS NULL
