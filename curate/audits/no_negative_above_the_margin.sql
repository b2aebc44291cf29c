-- No chosen negative scores above the margin under the teacher.
-- An automatic margin is the row's own. The scores are of 32 bits, so that a score on the margin may look a little above it.
SELECT pair_id AS key
FROM negatives
WHERE
    chosen IS NOT NULL
    AND (
        teacher_score > positive_score - (1 - least(relative_margin, CAST($relative_margin AS DOUBLE))) * abs(positive_score) + 1e-6
        OR teacher_score > positive_score - CAST($absolute_margin AS DOUBLE) + 1e-6
        OR teacher_score > CAST($max_score AS DOUBLE) + 1e-6
    )
