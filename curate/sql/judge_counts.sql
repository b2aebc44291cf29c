-- One row is an origin of questions: how many there are, and how many chunks or groups of chunks they are about.
SELECT
    origin,
    count(DISTINCT coalesce(group_id, question_id)) AS asked,
    count(DISTINCT coalesce(group_id, chunk_id)) AS sources
FROM questions
GROUP BY origin
