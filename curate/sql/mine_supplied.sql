-- The negatives that came with these imported pairs.
SELECT imported_pair_id, negatives
FROM imported_pairs
WHERE imported_pair_id IN (SELECT unnest(CAST($ids AS VARCHAR[]))) AND len(negatives) > 0
ORDER BY imported_pair_id
