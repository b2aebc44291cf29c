-- How the corpus was split; one method a build.
SELECT coalesce(min(method), 'clusters') AS method FROM splits
