-- Every negative that came with a kept positive pair is among its candidates.
WITH candidates AS (
    SELECT pair_id, count(*) AS n FROM negatives WHERE origin = 'supplied' GROUP BY pair_id
)
SELECT p.pair_id AS key
FROM pairs AS p
JOIN imported_pairs AS i ON i.imported_pair_id = p.imported_pair_id
LEFT JOIN candidates AS c ON c.pair_id = p.pair_id
WHERE p.is_positive AND coalesce(c.n, 0) <> len(list_filter(i.negatives, lambda text: text <> ''))
