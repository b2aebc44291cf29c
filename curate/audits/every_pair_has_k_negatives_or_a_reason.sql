-- Every positive pair has as many chosen negatives as any other, or is listed among the rejects as having too few.
WITH chosen AS (
    SELECT pair_id, count(*) AS n FROM negatives WHERE chosen IS NOT NULL GROUP BY pair_id
),
wanted AS (
    SELECT coalesce(max(chosen), 1) AS k FROM negatives
)
SELECT p.pair_id AS key
FROM pairs AS p
CROSS JOIN wanted AS w
LEFT JOIN chosen AS c ON c.pair_id = p.pair_id
WHERE
    p.is_positive
    AND coalesce(c.n, 0) < w.k
    AND p.pair_id NOT IN (SELECT row_key FROM rejected WHERE stage = 'mine' AND reason = 'negatives_too_few')
