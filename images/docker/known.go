package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// configKeys are the settings of a container that Docker keeps as they are, or whose fate is known.
var configKeys = set("Hostname", "Domainname", "User", "AttachStdin", "AttachStdout", "AttachStderr", "ExposedPorts", "Tty", "OpenStdin",
	"StdinOnce", "Env", "Cmd", "Healthcheck", "Image", "Volumes", "WorkingDir", "Entrypoint", "Labels", "StopSignal", "StopTimeout")

// hostKeys are the same of its host configuration.
var hostKeys = set("Binds", "Mounts", "LogConfig", "NetworkMode", "PortBindings", "RestartPolicy", "CapAdd", "CapDrop", "CgroupnsMode",
	"Dns", "DnsOptions", "DnsSearch", "ExtraHosts", "GroupAdd", "IpcMode", "OomScoreAdj", "PidMode", "Privileged", "ReadonlyRootfs",
	"Tmpfs", "UTSMode", "ShmSize", "ConsoleSize", "CpuShares", "NanoCpus", "CpusetCpus", "Devices", "DeviceCgroupRules", "Ulimits",
	"Init", "Sysctls")

// composeKeys are what compose files call settings that are not known.
var composeKeys = map[string]string{
	"Memory": "mem_limit", "MemoryReservation": "mem_reservation", "MemorySwap": "memswap_limit", "MemorySwappiness": "mem_swappiness",
	"SecurityOpt": "security_opt", "PidsLimit": "pids_limit", "DeviceRequests": "gpus or deploy.resources.reservations.devices",
	"Runtime": "runtime", "UsernsMode": "userns_mode", "Isolation": "isolation", "StorageOpt": "storage_opt",
	"CgroupParent": "cgroup_parent", "VolumesFrom": "volumes_from", "VolumeDriver": "volume_driver", "Links": "links",
	"CpuPeriod": "cpu_period", "CpuQuota": "cpu_quota", "CpuRealtimePeriod": "cpu_rt_period", "CpuRealtimeRuntime": "cpu_rt_runtime",
	"BlkioWeight": "blkio_config", "OomKillDisable": "oom_kill_disable", "MacAddress": "mac_address", "Annotations": "annotations",
	"Cgroup": "cgroup",
}

// known refuses the first setting, in the order of their names, that is set and unknown.
func known(settings object, keys map[string]bool) error {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if keys[key] || zero(settings[key]) {
			continue
		}
		return fmt.Errorf("%s cannot be settled without Docker", orDefault(composeKeys[key], key))
	}
	return nil
}

// zero tells whether a setting is as good as none.
func zero(v any) bool {
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
		return !slices.ContainsFunc(v, func(one any) bool { return !zero(one) })
	case object:
		for _, one := range v {
			if !zero(one) {
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
