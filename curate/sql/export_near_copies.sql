-- For each of these chunks, all members of its near-duplicate cluster, itself among them.
SELECT k.chunk_id, m.chunk_id AS member
FROM chunk_clusters AS k JOIN chunk_clusters AS m USING (chunk_cluster_id)
WHERE k.chunk_id IN (SELECT unnest(CAST($ids AS VARCHAR[])))
ORDER BY ALL
