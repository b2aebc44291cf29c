-- All pairs on near-copies of one chunk lie in one split.
SELECT c.chunk_cluster_id AS key
FROM pairs AS p
JOIN chunk_clusters AS c ON c.chunk_id = p.chunk_id
GROUP BY c.chunk_cluster_id
HAVING count(DISTINCT p.split) > 1
