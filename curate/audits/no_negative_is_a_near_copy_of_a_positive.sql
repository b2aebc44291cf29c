-- No chosen negative is a near-copy of a positive chunk of its anchor.
WITH positives AS (
    SELECT p.pair_id, lower(regexp_replace(trim(p.anchor), '\s+', ' ', 'g')) AS anchor, c.chunk_cluster_id
    FROM pairs AS p
    JOIN chunk_clusters AS c ON c.chunk_id = p.chunk_id
    WHERE p.is_positive
)
SELECT n.pair_id AS key
FROM negatives AS n
JOIN chunk_clusters AS c ON c.chunk_id = n.chunk_id
JOIN positives AS own ON own.pair_id = n.pair_id
JOIN positives AS other ON other.anchor = own.anchor AND other.chunk_cluster_id = c.chunk_cluster_id
WHERE n.chosen IS NOT NULL
