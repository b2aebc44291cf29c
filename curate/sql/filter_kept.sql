-- One row is a question of the chunks from $first to $last, as it enters a pair if it was kept.
SELECT question_id, chunk_id, question, style, origin, train_only, imported_pair_id, is_positive, score, label
FROM questions
WHERE chunk_id BETWEEN $first AND $last
ORDER BY question_id
