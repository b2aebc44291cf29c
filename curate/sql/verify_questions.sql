-- One row is a question to be checked, of the chunks after $after up to and with $upto; those of a chunk together.
SELECT question_id, chunk_id, question, style, evidence
FROM questions
WHERE chunk_id > $after AND chunk_id <= $upto
ORDER BY chunk_id, question_id
