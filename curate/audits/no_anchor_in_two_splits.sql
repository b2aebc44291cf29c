-- No anchor stands in two splits, whatever its capitals, blanks and closing marks.
-- lower() makes a plain i of İ; the filter keeps the two apart.
WITH anchors AS (
    SELECT pair_id, split, regexp_replace(lower(regexp_replace(trim(replace(anchor, 'İ', 'i̇')), '\s+', ' ', 'g')), '[ ?!.]+$', '') AS anchor
    FROM pairs
)
SELECT pair_id AS key
FROM anchors
WHERE anchor IN (SELECT anchor FROM anchors WHERE anchor <> '' GROUP BY anchor HAVING count(DISTINCT split) > 1)
