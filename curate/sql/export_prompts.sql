-- One row is a prompt: its hash and the exported questions it asked for.
SELECT q.prompt, count(*) AS questions
FROM questions AS q
JOIN pairs AS p ON p.question_id = q.question_id
WHERE q.prompt IS NOT NULL
GROUP BY q.prompt
ORDER BY q.prompt
