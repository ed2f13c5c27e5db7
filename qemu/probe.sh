# Says what became of a boot: runs in the machine under test, as the unit that probe.go describes, and writes its
# answer to a virtio port as answer.go reads it. It changes nothing that it looks at, and switches the machine off.
# $SETTLE is how many seconds the system may take to start.
export LC_ALL=C SYSTEMD_COLORS=0 SYSTEMD_PAGER=

stage=/run/forklift/stages/current/exports/overlays

# section NAME COMMAND...: the command's exit code and output
section() {
	name=$1
	shift
	text=$("$@" 2>&1)
	echo "section $name $?"
	[ -z "$text" ] || printf '%s\n' "$text" | while IFS= read -r line; do printf '|%s\n' "$line"; done
}

# Found by way of /sys, since udev may not have made its links yet.
port() {
	for p in /sys/class/virtio-ports/*; do
		[ "$(cat "$p/name")" = pkbuild.probe ] && echo "/dev/${p##*/}" && return
	done
	return 1
}

failed() {
	systemctl list-units --failed --all --plain --no-legend --full
}

# What PID 1 says before the journal runs comes to it through the kernel.
reloads() {
	log=$(journalctl --boot --output=cat _PID=1 + _TRANSPORT=kernel SYSLOG_IDENTIFIER=systemd) || { echo "$log"; return 1; }
	[ -n "$log" ] || { echo "the journal has nothing from PID 1"; return 1; }
	printf '%s\n' "$log" | grep -Ec '^(Reloading finished|Reexecuting)' || :
}

# The unit files of the stage, and whether the system has the same file in the same place.
files() {
	for dir in etc usr/lib usr/local/lib; do
		for f in $stage/$dir/systemd/system/*.service; do
			case $f in *@.service) continue ;; esac
			[ -f "$f" ] && [ ! -L "$f" ] || continue
			path=${f#"$stage"}
			if cmp -s "$f" "$path"; then echo "same $path"; else echo "other $path"; fi
		done
	done
}

units() {
	names=$(files | sed 's|.*/||' | sort -u)
	properties=Id,Names,Type,LoadState,ActiveState,SubState,Result,UnitFileState,FragmentPath,NeedDaemonReload
	[ -z "$names" ] || systemctl show -p "$properties,ConditionResult,ConditionTimestampMonotonic" -- $names
}

writeroot() {
	touch /sysroot/.pkbuild-probe || return 1
	rm /sysroot/.pkbuild-probe
}

port=$(port) || { echo "no port pkbuild.probe" >&2; exit 0; }
exec 3<>"$port" >&3

echo "pkbuild-probe 1"
section started cat /proc/uptime
section system timeout "$SETTLE" systemctl is-system-running --wait
section settled cat /proc/uptime
section jobs systemctl list-jobs --plain --no-legend
section report cat /run/pkinit/boot.json
section failed failed
section mountinfo cat /proc/self/mountinfo
section stage ls "$stage"
section files files
section units units
section reloads reloads
section writeroot writeroot
for check in "$CREDENTIALS_DIRECTORY"/pkbuild.check.*; do
	[ ! -e "$check" ] || section "check.${check##*.}" timeout "$SETTLE" sh "$check"
done
echo end

# The host has a look from outside, then says a word.
timeout 150 head -n 1 <&3 >/dev/null
systemctl poweroff
