#!/bin/sh
# 安装云禾，不需要网络。Installs Yunhe; needs no network.
#   ./install.sh --prefix DIR            安装到目录，无须 root into a folder, without root
#   sudo ./install.sh --system           安装到 /opt/yunhe，建用户 yunhe 与 systemd 单元 for the whole machine
# 升级与回退 To upgrade or roll back: run the install.sh of the other version; `current` points to one of them.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
version=$(cat "$here/VERSION")
prefix='' system=no
while [ $# -gt 0 ]; do
    case $1 in
    --prefix) prefix=$2; shift 2 ;;
    --system) system=yes; prefix=/opt/yunhe; shift ;;
    *) echo "用法 usage: $0 --prefix DIR | --system" >&2; exit 2 ;;
    esac
done
[ -n "$prefix" ] || { echo "用法 usage: $0 --prefix DIR | --system" >&2; exit 2; }

# Every file is the one that was packed.
(cd "$here" && sha256sum --quiet --check SHA256SUMS) || {
    echo "文件与清单不符，未安装 a file differs; nothing was installed" >&2
    exit 1
}

mkdir -p "$prefix/versions"
new="$prefix/versions/$version"
rm -rf "$new.partial"
mkdir "$new.partial"
# What the list names and nothing else: whatever lies beside it stays behind.
(cd "$here" && { cut -c67- SHA256SUMS; echo ./SHA256SUMS; } | tar -cf - -T -) | tar -xf - -C "$new.partial"
rm -rf "$new"
mv "$new.partial" "$new"
# One step: whoever starts the program finds the old version or the new one.
ln -s "versions/$version" "$prefix/current.new"
mv -T "$prefix/current.new" "$prefix/current"
mkdir -p "$prefix/bin"
ln -sfn ../current/bin/yunhe "$prefix/bin/yunhe"

if [ "$system" = yes ]; then
    id yunhe >/dev/null 2>&1 || useradd --system --home-dir /var/lib/yunhe --shell /usr/sbin/nologin yunhe
    install -d -o yunhe -g yunhe -m 0750 /var/lib/yunhe
    install -m 0644 "$prefix/current/systemd/yunhe.service" /etc/systemd/system/yunhe.service
    ln -sfn "$prefix/bin/yunhe" /usr/local/bin/yunhe
    systemctl daemon-reload || true
    echo "已安装 installed. 初始化 initialise it: sudo -u yunhe yunhe init /var/lib/yunhe …"
    echo "然后 then: systemctl enable --now yunhe"
else
    echo "已安装 installed: $prefix/bin/yunhe ($version)"
fi
