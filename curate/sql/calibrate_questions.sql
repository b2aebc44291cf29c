-- One row is a question for one chunk of a split, with that chunk: what faults may be planted into. A language model's questions come first,
-- each origin in the order of its ids, which is as good as by lot. Left out: questions of several chunks, pairs that are scored, labelled or no positive.
SELECT
    q.question_id, q.chunk_id, q.question, q.style, q.answer, q.evidence, q.origin, q.model, q.group_id, q.train_only, q.imported_pair_id,
    q.is_positive, q.score, q.label, c.document_id, c.cluster_id, c.text, c.passage, array_to_string(c.heading_path, chr(10)) AS headings,
    c.language, c.split, d.home_split, coalesce(d.chunk_cluster_id, q.chunk_id) AS chunk_cluster_id, NULL AS others, false AS altered
FROM questions AS q
JOIN chunks AS c ON c.chunk_id = q.chunk_id
LEFT JOIN chunk_clusters AS d ON d.chunk_id = q.chunk_id
WHERE
    q.group_id IS NULL AND q.is_positive AND q.score IS NULL AND q.label IS NULL AND c.split <> 'gap'
    AND (list_contains($origins, q.origin) OR list_contains($wanted, q.question_id))
ORDER BY list_contains($wanted, q.question_id) DESC, CASE q.origin WHEN 'llm' THEN 0 WHEN 'imported' THEN 1 ELSE 2 END, q.question_id
LIMIT $rows
