-- How many pairs of a split need negatives.
SELECT count(*) AS pairs FROM pairs WHERE split = $split AND is_positive
