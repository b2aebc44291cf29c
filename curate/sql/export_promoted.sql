-- One row: a chunk that was found to answer the question of a pair of this split, besides the pair's own.
SELECT p.anchor, n.chunk_id, p.origin
FROM negatives AS n JOIN pairs AS p USING (pair_id)
WHERE n.state = 'promoted' AND n.chunk_id IS NOT NULL AND p.split = $split
ORDER BY ALL
