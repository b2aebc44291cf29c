-- One row is a chunk of $ids as the judge sees it.
SELECT chunk_id, document_id, position, heading_path, text, language
FROM chunks
WHERE chunk_id IN (SELECT unnest($ids))
