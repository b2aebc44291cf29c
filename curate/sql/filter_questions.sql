-- One row is a question after $after with its checks and where its chunk lies: what the gates look at.
SELECT
    q.question_id, q.chunk_id, q.question, q.style, q.answer, q.evidence, q.origin, q.model, q.group_id, q.train_only, q.imported_pair_id, q.is_positive,
    q.score, q.label, k.question_words, k.passage_words, k.question_form, k.verbatim, k.word_overlap, k.context_bound, k.language_match,
    k.bm25_rank, k.specific_words, k.evidence_found, k.evidence_words, k.answered_under_heading, k.unsupported_numbers, k.unsupported_names,
    k.negation_differs, k.answer_overlap, k.bm25_margin, k.bm25_answer_margin, k.dense_rank, k.dense_score, k.dense_margin, k.checker_score, k.judge, k.judge_failed,
    k.judge_note, c.split, d.home_split, coalesce(d.chunk_cluster_id, q.chunk_id) AS chunk_cluster_id
FROM questions AS q
LEFT JOIN checks AS k ON k.question_id = q.question_id
LEFT JOIN chunks AS c ON c.chunk_id = q.chunk_id
LEFT JOIN chunk_clusters AS d ON d.chunk_id = q.chunk_id
WHERE q.question_id > $after
ORDER BY q.question_id
LIMIT $size
