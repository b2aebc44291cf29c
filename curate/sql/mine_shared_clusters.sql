-- Near-duplicate clusters of chunks that lie in more than one split.
SELECT k.chunk_cluster_id
FROM chunk_clusters AS k JOIN chunks AS c USING (chunk_id)
GROUP BY k.chunk_cluster_id
HAVING count(DISTINCT c.split) > 1
