-- Every chosen negative and every promoted passage that is a chunk lies in the split of its pair.
SELECT n.pair_id AS key
FROM negatives AS n
JOIN pairs AS p ON p.pair_id = n.pair_id
LEFT JOIN chunks AS c ON c.chunk_id = n.chunk_id
WHERE (n.chosen IS NOT NULL OR n.state = 'promoted') AND n.chunk_id IS NOT NULL AND c.split IS DISTINCT FROM p.split
