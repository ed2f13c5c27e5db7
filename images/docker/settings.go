package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// configKeys are the supported settings of a container's configuration.
var configKeys = set("Hostname", "Domainname", "User", "AttachStdin", "AttachStdout", "AttachStderr", "ExposedPorts", "Tty", "OpenStdin",
	"StdinOnce", "Env", "Cmd", "Healthcheck", "Image", "Volumes", "WorkingDir", "Entrypoint", "Labels", "StopSignal", "StopTimeout")

// hostKeys are the supported settings of a container's host configuration.
var hostKeys = set("Binds", "Mounts", "LogConfig", "NetworkMode", "PortBindings", "RestartPolicy", "CapAdd", "CapDrop", "CgroupnsMode",
	"Dns", "DnsOptions", "DnsSearch", "ExtraHosts", "GroupAdd", "IpcMode", "OomScoreAdj", "PidMode", "Privileged", "ReadonlyRootfs",
	"Tmpfs", "UTSMode", "ShmSize", "ConsoleSize", "CpuShares", "NanoCpus", "CpusetCpus", "Devices", "DeviceCgroupRules", "Ulimits",
	"Init", "Sysctls")

// composeKeys are the names of unsupported settings in compose files.
var composeKeys = map[string]string{
	"Memory": "mem_limit", "MemoryReservation": "mem_reservation", "MemorySwap": "memswap_limit", "MemorySwappiness": "mem_swappiness",
	"SecurityOpt": "security_opt", "PidsLimit": "pids_limit", "DeviceRequests": "gpus or deploy.resources.reservations.devices",
	"Runtime": "runtime", "UsernsMode": "userns_mode", "Isolation": "isolation", "StorageOpt": "storage_opt",
	"CgroupParent": "cgroup_parent", "VolumesFrom": "volumes_from", "VolumeDriver": "volume_driver", "Links": "links",
	"CpuPeriod": "cpu_period", "CpuQuota": "cpu_quota", "CpuRealtimePeriod": "cpu_rt_period", "CpuRealtimeRuntime": "cpu_rt_runtime",
	"BlkioWeight": "blkio_config", "OomKillDisable": "oom_kill_disable", "MacAddress": "mac_address", "Annotations": "annotations",
	"Cgroup": "cgroup",
}

// checkKeys returns an error for the first setting by name that is set and not supported.
func checkKeys(settings object, keys map[string]bool) error {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if keys[key] || isZero(settings[key]) {
			continue
		}
		return fmt.Errorf("%s is not supported when containers are created at build time", orDefault(composeKeys[key], key))
	}
	return nil
}

// isZero reports whether a setting has the same meaning as none.
func isZero(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case json.Number:
		return v == "0"
	case []any:
		return !slices.ContainsFunc(v, func(one any) bool { return !isZero(one) })
	case object:
		for _, one := range v {
			if !isZero(one) {
				return false
			}
		}
		return true
	}
	return false
}

func set(names ...string) map[string]bool {
	out := map[string]bool{}
	for _, name := range names {
		out[name] = true
	}
	return out
}
