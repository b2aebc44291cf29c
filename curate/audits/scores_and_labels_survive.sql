-- Every pair that the user brought carries the score, the label and the verdict it came with.
SELECT p.pair_id AS key
FROM pairs AS p
LEFT JOIN imported_pairs AS i ON i.imported_pair_id = p.imported_pair_id
WHERE
    p.origin = 'imported'
    AND (
        i.imported_pair_id IS NULL
        OR p.score IS DISTINCT FROM i.score
        OR p.label IS DISTINCT FROM i.label
        OR p.is_positive IS DISTINCT FROM i.is_positive
    )
