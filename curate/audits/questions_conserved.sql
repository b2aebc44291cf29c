-- Every question ends in exactly one pair or in exactly one reject of the filter.
WITH ends AS (
    SELECT question_id FROM pairs
    UNION ALL
    SELECT row_key AS question_id FROM rejected WHERE stage = 'filter'
)
SELECT coalesce(q.question_id, e.question_id) AS key
FROM questions AS q
FULL JOIN ends AS e ON e.question_id = q.question_id
GROUP BY 1
HAVING count(q.question_id) <> 1 OR count(e.question_id) <> 1
