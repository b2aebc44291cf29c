-- The text of every chunk is exactly the span of its document that it names.
SELECT c.chunk_id AS key
FROM chunks AS c
LEFT JOIN documents AS d ON d.document_id = c.document_id
WHERE substring(d.text, c.start + 1, c."end" - c.start) IS DISTINCT FROM c.text
