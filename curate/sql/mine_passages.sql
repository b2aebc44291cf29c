-- The chunks with these ids and their near-duplicate clusters.
SELECT c.chunk_id, c.document_id, c.position, c.start, c."end", c.text, c.passage, c.cluster_id, k.chunk_cluster_id
FROM chunks AS c LEFT JOIN chunk_clusters AS k USING (chunk_id)
WHERE c.chunk_id IN (SELECT unnest(CAST($ids AS VARCHAR[])))
ORDER BY c.chunk_id
