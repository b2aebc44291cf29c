-- One row is a question of one of $origins, with its document and what it shares with the other rows of the same question.
SELECT q.question_id, coalesce(q.group_id, q.question_id) AS asked, c.document_id
FROM questions q JOIN chunks c USING (chunk_id)
WHERE q.origin IN (SELECT unnest($origins))
