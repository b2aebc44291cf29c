-- One row is a question of one of $origins.
SELECT question_id
FROM questions
WHERE origin IN (SELECT unnest($origins))
ORDER BY question_id
