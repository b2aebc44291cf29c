-- One row is a chunk of $ids, with what a request shows of it.
SELECT chunk_id, heading_path, text, passage, tokens, language
FROM chunks
WHERE chunk_id IN (SELECT unnest($ids))
