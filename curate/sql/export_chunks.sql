-- One row: where one passage of the corpus stands, after the chunk id $after, at most $size rows.
SELECT c.chunk_id, c.document_id, d.source, d.title, c.start, c."end", c.text, c.cluster_id, k.chunk_cluster_id
FROM chunks AS c JOIN documents AS d USING (document_id) JOIN chunk_clusters AS k USING (chunk_id)
WHERE c.chunk_id > $after
ORDER BY c.chunk_id
LIMIT $size
