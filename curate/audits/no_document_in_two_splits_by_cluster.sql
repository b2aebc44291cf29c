-- All near-duplicate documents of a cluster lie in one split, where the split goes by clusters.
SELECT d.cluster_id AS key
FROM splits AS s
JOIN document_clusters AS d ON d.document_id = s.document_id
WHERE s.method = 'clusters'
GROUP BY d.cluster_id
HAVING count(DISTINCT s.split) > 1
