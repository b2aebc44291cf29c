-- Rows that were not kept, by stage and reason; the last export's own are not of this build.
SELECT stage, reason, count(*) AS rows
FROM rejected
WHERE stage <> 'export'
GROUP BY ALL
ORDER BY ALL
