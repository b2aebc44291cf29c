-- One row is a question of $ids with one of the chunks it needs: its own, or all those of its group.
WITH needed AS (
    SELECT question_id, chunk_id FROM questions WHERE question_id IN (SELECT unnest($ids))
    UNION
    SELECT q.question_id, other.chunk_id
    FROM questions q JOIN questions other USING (group_id)
    WHERE q.question_id IN (SELECT unnest($ids))
)
SELECT q.question_id, q.question, own.document_id, c.language, c.chunk_id, c.text, c.heading_path, c.position
FROM needed
JOIN questions q USING (question_id)
JOIN chunks own ON own.chunk_id = q.chunk_id
JOIN chunks c ON c.chunk_id = needed.chunk_id
ORDER BY q.question_id, c.position, c.chunk_id
