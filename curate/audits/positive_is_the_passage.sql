-- The positive of every pair is its chunk's passage, and its anchor is its question.
SELECT p.pair_id AS key
FROM pairs AS p
JOIN chunks AS c ON c.chunk_id = p.chunk_id
JOIN questions AS q ON q.question_id = p.question_id
WHERE p.positive <> c.passage OR p.anchor <> q.question
