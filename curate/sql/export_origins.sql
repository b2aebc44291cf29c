-- Pairs by origin and style.
SELECT origin, style, count(*) AS pairs FROM pairs GROUP BY ALL ORDER BY ALL
