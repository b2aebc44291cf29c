-- The chosen negatives of a pair are numbered 1 to k, differ in their text, and are plain negatives.
SELECT pair_id AS key
FROM negatives
WHERE chosen IS NOT NULL
GROUP BY pair_id
HAVING
    count(DISTINCT lower(regexp_replace(trim(text), '\s+', ' ', 'g'))) < count(*)
    OR max(chosen) <> count(*)
    OR count(DISTINCT chosen) < count(*)
    OR bool_or(state <> 'negative')
