-- The questions with these ids: what was asked of which chunk, and what answers it there.
SELECT question_id, chunk_id, answer, evidence
FROM questions
WHERE question_id IN (SELECT unnest(CAST($ids AS VARCHAR[])))
ORDER BY question_id
