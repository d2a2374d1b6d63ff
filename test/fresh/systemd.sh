# SPDX-License-Identifier: MIT
# On a new Debian with systemd as process 1: the package is installed, resolves an OOM of a service, is upgraded by NEXT while that
# is guarded, removed and purged. Ends at the first thing that is not so; what it prints is told by systemd.test.ts.

group=/sys/fs/cgroup/system.slice/leak.service
main_pid() { systemctl show --value --property MainPID reprieve; }
# until WHAT COMMAND...: within a minute of this clock.
until_it() {
	what=$1 && shift
	for _ in $(seq 600); do
		if "$@" >/dev/null 2>&1; then return 0; fi
		sleep 0.1
	done
	echo "never: $what"
	journalctl -b -u reprieve --no-pager | tail -30
	return 1
}
is_held() { [ "$(cat $group/memory.high)" != max ]; }
relieved() { [ "$(reprieve incidents --json | grep -c '"outcome":"relieved"')" -ge "$1" ]; }
leaks() { systemctl kill --signal USR1 --kill-whom main leak; }

echo "== install"
apt-get install -yq ./$FIRST
systemctl is-active reprieve
systemctl is-enabled reprieve
mkdir -p /etc/reprieve/reprieve.d
printf '[allow]\nkill = "/system.slice/*"\n' >/etc/reprieve/reprieve.d/allow.toml
systemctl reload reprieve

echo "== OOM"
systemd-run --unit leak -p MemoryMax=96M -p MemorySwapMax=0 -p OOMPolicy=continue \
	sh -c 'trap "tail /dev/zero" USR1; while :; do sleep 0.2; done'
until_it "the service guarded" is_held
leaks
until_it "the OOM relieved" relieved 1
systemctl is-active leak

echo "== upgrade"
old=$(main_pid)
# Each look at the group while it is upgraded: is it held?
(while :; do is_held && echo held || echo "let go"; sleep 0.02; done) >/root/looks &
looks=$!
dpkg -i ./$NEXT
kill $looks
new=$(main_pid)
[ "$new" != "$old" ]
[ ! -e /proc/$old ]
reprieve version
reprieve status
sort /root/looks | uniq -c
leaks
until_it "an OOM relieved after the upgrade" relieved 2
systemctl is-active leak

echo "== remove"
apt-get remove -yq reprieve
[ "$(cat $group/memory.high)" = max ]
if ls -l /proc/[0-9]*/exe 2>/dev/null | grep reprieve; then exit 1; fi
[ "$(systemctl is-active reprieve)" = inactive ]
ls /etc/reprieve
rm -r /etc/reprieve/reprieve.d
systemctl stop leak

echo "== purge"
dpkg --purge reprieve >/dev/null
systemctl list-units --all --no-legend 'reprieve*'
find / -xdev -name '*reprieve*' ! -path '/root/*' ! -path '/proc/*'
find /run /sys/fs/cgroup -name '*reprieve*'
ls -d /etc/reprieve 2>/dev/null || true
echo "== end"
