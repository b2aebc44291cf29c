-- Whether the corpus was too small to be split by clusters.
SELECT count(*) > 0 AS by_blocks FROM splits WHERE method = 'blocks'
