package fat

import "fmt"

const (
	// minClusters and maxClusters bound a FAT32: with fewer clusters it would be taken for a FAT16.
	minClusters = 65525
	maxClusters = 0x0ffffff5

	minReserved  = 32 * sectorSize
	maxCluster   = 32 << 10
	maxSize      = (1<<32 - 1) * sectorSize // number of sectors is a field of 32 bits
	growCluster  = 16 << 10                 // of a file system that is to grow, whatever its size is now
	maxDirectory = 65536                    // entries
	maxFile      = 1<<32 - 1
)

// geometry is the division of a file system into reserved sectors, FATs and clusters. Sizes are in bytes.
type geometry struct {
	size     int64
	cluster  int64
	reserved int64
	fat      int64 // of each FAT
	copies   int64 // number of FATs
	root     int64 // of the root directory of a FAT12 or FAT16, which lies before the clusters
	clusters uint32
}

// newGeometry divides a size. The FATs have room for the clusters of growTo bytes, where that is more.
func newGeometry(size, cluster, growTo int64) geometry {
	g := geometry{size: size, cluster: cluster, reserved: max(minReserved, cluster), copies: 2}
	unit := max(blockSize, cluster)
	// The FATs' own room counts as clusters here, so that they may have a few entries more than needed.
	g.fat = roundUp(4*((max(size, growTo)-g.reserved)/cluster+firstData), unit)
	if space := size - g.data(); space > 0 {
		g.clusters = uint32(min(space/cluster, maxClusters))
	}
	return g
}

// data is the offset of the first cluster.
func (g geometry) data() int64 { return g.reserved + g.copies*g.fat + g.root }

// offset is where a cluster starts.
func (g geometry) offset(cluster uint32) int64 { return g.data() + int64(cluster-firstData)*g.cluster }

// usedFAT is the part of each FAT that holds entries of existing clusters, in bytes.
func (g geometry) usedFAT() int64 { return roundUp(4*(int64(g.clusters)+firstData), blockSize) }

// fit divides a given size, with clusters as Windows chooses them, or smaller ones where FAT32 needs more of them.
func fit(size, growTo int64) (geometry, error) {
	size = size / blockSize * blockSize
	if size > maxSize {
		return geometry{}, fmt.Errorf("file system size of %s exceeds the limit of FAT32, 2 TiB", mib(size))
	}
	cluster := clusterSize(size)
	if growTo > 0 {
		cluster = growCluster
	}
	for ; cluster >= sectorSize; cluster /= 2 {
		if g := newGeometry(size, cluster, growTo); g.clusters >= minClusters {
			return g, nil
		}
	}
	return geometry{}, fmt.Errorf("file system size of %s is too small for FAT32, which needs %s", mib(size), mib(smallest(minClusters, sectorSize, 0).size))
}

func clusterSize(size int64) int64 {
	cluster := int64(4096)
	for limit := int64(8 << 30); size > limit && cluster < maxCluster; limit *= 2 {
		cluster *= 2
	}
	return cluster
}

// smallest is the least geometry with a number of clusters.
func smallest(clusters, cluster, growTo int64) geometry {
	clusters = max(clusters, minClusters)
	size := minReserved + clusters*cluster
	for {
		size = roundUp(size, blockSize)
		g := newGeometry(size, cluster, growTo)
		if int64(g.clusters) >= clusters {
			return g
		}
		size += (clusters - int64(g.clusters)) * cluster
		if g.clusters == 0 {
			size = g.data() + clusters*cluster
		}
	}
}

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
