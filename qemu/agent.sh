# The agent: runs in the guest, on the terminal of a root shell, and executes the scripts that the host sends. Each request
# is a line, each reply a JSON text sequence (RFC 7464), so that other output on the terminal does no harm:
#   put ID PART BASE64    keep a part of a script
#   run ID SECONDS        run the script, unless it has been run, and reply with its exit code and output
#   shell ID ROWS COLUMNS give the terminal to an interactive shell until it exits
export LC_ALL=C HOME=/root TERM=dumb PAGER=cat SYSTEMD_PAGER= SYSTEMD_COLORS=0 SYSTEMD_URLIFY=0
dir=/run/pkbuild-agent
mkdir -p $dir
cd /
printf '\036{"agent":"%s"}\n' "$NONCE"
while IFS=' ' read -r verb id arg text; do
	f=$dir/$id
	case $verb in
	put) printf %s "$text" >"$f.$arg" && printf '\036{"id":%s,"part":"%s"}\n' "$id" "$arg" ;;
	run)
		if [ ! -e "$f.code" ]; then
			cat "$f".[0-9]* | base64 -d >"$f.sh"
			timeout "$arg" sh "$f.sh" </dev/null >"$f.out" 2>&1
			echo $? >"$f.code"
		fi
		printf '\036{"id":%s,"code":%s,"sha256":"%s","output":"%s"}\n' "$id" "$(cat "$f.code")" \
			"$(sha256sum <"$f.out" | cut -c 1-64)" "$(base64 -w 0 "$f.out")"
		;;
	shell)
		stty sane rows "$arg" columns "$text"
		TERM=vt220 bash --login -i || :
		stty -echo -icanon -opost
		printf '\036{"id":%s,"code":0,"sha256":"%s","output":""}\n' "$id" "$(printf '' | sha256sum | cut -c 1-64)"
		;;
	esac
done
