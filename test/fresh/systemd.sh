# SPDX-License-Identifier: MIT
# On a new Debian with systemd as process 1: the package is installed, resolves an OOM of a service, is upgraded by NEXT while that
# is guarded, with mistakes in its config file, failed, forbidden, disabled and stopped; removed, installed again and purged. Ends at the first thing that is
# not so; what it prints is told by systemd.test.ts.

group=/sys/fs/cgroup/system.slice/leak.service
helpers=/sys/fs/cgroup/reprieve.slice/reprieve-helpers.service
shown() { systemctl show --value --property "$1" reprieve; }
is() { [ "$(systemctl $1 reprieve)" = $2 ]; }
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
# Without a process of their own: the agent needs the VM's one CPU.
is_held() { read -r high <$group/memory.high && [ "$high" != max ]; }
is_watched() {
	for procs in $helpers/*/cgroup.procs; do
		if read -r _ <$procs; then return 0; fi
	done 2>/dev/null
	return 1
}
look() { if ! is_held; then echo "let go"; elif is_watched; then echo "held and watched"; else echo "held, unwatched"; fi; }
relieved() { [ "$(reprieve incidents --json | grep -c '"outcome":"relieved"')" -ge "$1" ]; }
leaks() { systemctl kill --signal USR1 --kill-whom main leak; }
# upgrade PACKAGE: the main process is another one then, the service has never stopped, and each look at the group meanwhile is told.
upgrade() {
	old=$(shown MainPID) since=$(shown ActiveEnterTimestampMonotonic)
	(while :; do look && sleep 0.02; done) >/root/looks &
	looks=$!
	dpkg -i ./$1
	kill $looks
	[ "$(shown MainPID)" != "$old" ]
	[ ! -e /proc/$old ]
	[ "$(shown ActiveEnterTimestampMonotonic)" = "$since" ]
	sort /root/looks | uniq -c
}

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
upgrade $NEXT
reprieve version
reprieve status
leaks
until_it "an OOM relieved after the upgrade" relieved 2
systemctl is-active leak

echo "== upgrade of one that is disabled"
systemctl disable reprieve
upgrade $FIRST
is is-enabled disabled

echo "== upgrade with mistakes in the config file"
old=$(shown MainPID)
echo mistake >/etc/reprieve/reprieve.d/mistake.toml
dpkg -i ./$NEXT
[ "$(shown MainPID)" = "$old" ]
is_held && is_watched

echo "== upgrade of one that has failed"
systemctl enable reprieve
if systemctl restart reprieve; then exit 1; fi
is is-active failed
rm /etc/reprieve/reprieve.d/mistake.toml
dpkg -i ./$FIRST
is is-active active

echo "== upgrade that a policy forbids"
old=$(shown MainPID)
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
dpkg -i ./$NEXT
[ "$(shown MainPID)" = "$old" ]
rm /usr/sbin/policy-rc.d

echo "== upgrade of one that is stopped, without a config file"
systemctl stop reprieve
mv /etc/reprieve/reprieve.toml /root
dpkg -i ./$FIRST
is is-active inactive
is is-enabled enabled
[ ! -e /etc/reprieve/reprieve.toml ]
mv /root/reprieve.toml /etc/reprieve

echo "== removed and installed again"
apt-get remove -yq reprieve
dpkg -i ./$NEXT
is is-active active
until_it "the service guarded again" is_held

echo "== remove"
apt-get remove -yq reprieve
[ "$(cat $group/memory.high)" = max ]
if ls -l /proc/[0-9]*/exe 2>/dev/null | grep reprieve; then exit 1; fi
is is-active inactive
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
