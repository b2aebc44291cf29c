-- One row is a document that came with pairs: its chunk (null when that was rejected) and why its pairs may not be used (null when they may).
SELECT
    p.document_id, min(c.chunk_id) AS chunk_id,
    CASE
        WHEN min(c.chunk_id) IS NULL THEN 'chunk_rejected'
        WHEN bool_or(c.split = 'gap') THEN 'chunk_in_split_gap'
        WHEN bool_or(c.split <> coalesce(k.home_split, c.split)) THEN 'chunk_copy_in_other_split'
    END AS barred
FROM (SELECT DISTINCT document_id FROM imported_pairs) AS p
LEFT JOIN chunks AS c ON c.document_id = p.document_id
LEFT JOIN chunk_clusters AS k ON k.chunk_id = c.chunk_id
GROUP BY p.document_id
