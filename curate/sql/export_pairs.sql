-- One of these pairs with its chosen negatives, its promoted candidates, the chunks that may answer it, and everything that says where it came from.
WITH wanted AS (SELECT unnest(CAST($ids AS VARCHAR[])) AS pair_id),
taken AS (
    SELECT
        pair_id,
        list(text ORDER BY chosen) AS negative_texts,
        list(chunk_id ORDER BY chosen) AS negative_chunk_ids,
        list(origin ORDER BY chosen) AS negative_origins,
        list(state ORDER BY chosen) AS negative_states,
        list(teacher_score ORDER BY chosen) AS negative_scores,
        max(positive_score) AS positive_score
    FROM negatives
    WHERE chosen IS NOT NULL AND pair_id IN (SELECT pair_id FROM wanted)
    GROUP BY pair_id
),
answering AS (
    SELECT
        pair_id,
        list(text ORDER BY candidate) AS promoted_texts,
        list(chunk_id ORDER BY candidate) AS promoted_chunk_ids,
        list(origin ORDER BY candidate) AS promoted_origins
    FROM negatives
    WHERE state = 'promoted' AND pair_id IN (SELECT pair_id FROM wanted)
    GROUP BY pair_id
),
withheld AS (
    SELECT pair_id, list(DISTINCT chunk_id ORDER BY chunk_id) AS withheld_chunk_ids
    FROM negatives
    WHERE state <> 'negative' AND chunk_id IS NOT NULL AND pair_id IN (SELECT pair_id FROM wanted)
    GROUP BY pair_id
)
SELECT
    p.pair_id, p.anchor, p.positive, p.is_positive, p.score, p.label,
    p.question_id, p.chunk_id, c.document_id, p.cluster_id, p.style, p.origin, q.model,
    coalesce(i.source, d.source) AS source,
    t.negative_texts, t.negative_chunk_ids, t.negative_origins, t.negative_states, t.negative_scores, t.positive_score,
    a.promoted_texts, a.promoted_chunk_ids, a.promoted_origins,
    coalesce(w.withheld_chunk_ids, CAST([] AS VARCHAR[])) AS withheld_chunk_ids
FROM pairs AS p
JOIN chunks AS c USING (chunk_id)
JOIN documents AS d USING (document_id)
LEFT JOIN questions AS q USING (question_id)
LEFT JOIN imported_pairs AS i ON i.imported_pair_id = p.imported_pair_id
LEFT JOIN taken AS t ON t.pair_id = p.pair_id
LEFT JOIN answering AS a ON a.pair_id = p.pair_id
LEFT JOIN withheld AS w ON w.pair_id = p.pair_id
WHERE p.pair_id IN (SELECT pair_id FROM wanted)
