-- Questions that stand verbatim in their passage by design give training pairs only.
SELECT pair_id AS key
FROM pairs
WHERE train_only AND split <> 'train'
