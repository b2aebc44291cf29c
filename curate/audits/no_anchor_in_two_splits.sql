-- No anchor stands in two splits, whatever its capitals, blanks and closing marks.
WITH anchors AS (
    SELECT pair_id, split, regexp_replace(lower(regexp_replace(trim(anchor), '\s+', ' ', 'g')), '[ ?!.]+$', '') AS anchor
    FROM pairs
)
SELECT pair_id AS key
FROM anchors
WHERE anchor IN (SELECT anchor FROM anchors WHERE anchor <> '' GROUP BY anchor HAVING count(DISTINCT split) > 1)
