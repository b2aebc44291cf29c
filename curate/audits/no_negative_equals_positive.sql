-- No chosen negative has the text of a positive of its anchor, whatever the capitals and blanks.
WITH positives AS (
    SELECT
        pair_id,
        lower(regexp_replace(trim(anchor), '\s+', ' ', 'g')) AS anchor,
        lower(regexp_replace(trim(positive), '\s+', ' ', 'g')) AS positive
    FROM pairs
    WHERE is_positive
)
SELECT n.pair_id AS key
FROM negatives AS n
JOIN positives AS own ON own.pair_id = n.pair_id
JOIN positives AS other ON other.anchor = own.anchor
WHERE n.chosen IS NOT NULL AND lower(regexp_replace(trim(n.text), '\s+', ' ', 'g')) = other.positive
