-- The pairs of a split in the order in which they are exported: shuffled by a hash, the same on every machine.
SELECT pair_id, anchor
FROM pairs
WHERE split = $split
ORDER BY sha256($seed || ' ' || pair_id), pair_id
