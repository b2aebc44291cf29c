-- One row is a question to be checked, of the chunks after $after up to and with $upto; those of a chunk together.
-- `others`: the texts of the other chunks that a question of several chunks needs.
SELECT
    q.question_id, q.chunk_id, q.question, q.style, q.origin, q.model, q.group_id, q.answer, q.evidence, q.train_only, q.imported_pair_id,
    q.is_positive, q.score, q.label, c.split, c.document_id, d.home_split,
    CASE WHEN q.group_id IS NOT NULL THEN (
        SELECT list(array_to_string(p.heading_path, chr(10)) || chr(10) || p.text ORDER BY o.chunk_id)
        FROM questions AS o
        JOIN chunks AS p ON p.chunk_id = o.chunk_id
        WHERE o.group_id = q.group_id AND o.question_id <> q.question_id
    ) END AS others
FROM questions AS q
LEFT JOIN chunks AS c ON c.chunk_id = q.chunk_id
LEFT JOIN chunk_clusters AS d ON d.chunk_id = q.chunk_id
WHERE q.chunk_id > $after AND q.chunk_id <= $upto
ORDER BY q.chunk_id, q.question_id
