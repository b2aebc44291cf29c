-- Questions left out only because the same or nearly the same one was kept: their passages answer it all the same.
SELECT q.question, q.chunk_id, q.origin
FROM questions AS q JOIN rejected AS r ON r.row_key = q.question_id
WHERE r.stage = 'filter' AND r.reason IN ('question_near_duplicate', 'anchor_ambiguous') AND q.is_positive
ORDER BY ALL
