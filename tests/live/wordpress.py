"""WordPress on a MariaDB of its own, and what an editor does there."""

import getpass
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import httpx2

from tests import debian
from tests.live.systems import System

PROGRAM = Path("/usr/share/wordpress")
ADMIN, EDITOR = "admin", "hub"
CONFIG = """\
<?php
define('DB_NAME', 'wordpress'); define('DB_USER', 'root'); define('DB_PASSWORD', '');
define('DB_HOST', 'localhost:{socket}'); define('DB_CHARSET', 'utf8mb4'); define('DB_COLLATE', '');
define('AUTH_KEY', 'live'); define('SECURE_AUTH_KEY', 'live'); define('LOGGED_IN_KEY', 'live');
define('NONCE_KEY', 'live'); define('AUTH_SALT', 'live'); define('SECURE_AUTH_SALT', 'live');
define('LOGGED_IN_SALT', 'live'); define('NONCE_SALT', 'live');
$table_prefix = 'wp_';
define('WP_ENVIRONMENT_TYPE', 'local');  // without it plain HTTP has no application passwords
define('WP_DEBUG', false); define('WP_HTTP_BLOCK_EXTERNAL', true);
define('AUTOMATIC_UPDATER_DISABLED', true); define('DISABLE_WP_CRON', true);
define('WP_HOME', '{url}'); define('WP_SITEURL', '{url}');
if (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
"""
INSTALL = """\
<?php
foreach (['HTTP_HOST' => '127.0.0.1', 'REQUEST_URI' => '/', 'REQUEST_METHOD' => 'GET',
          'SERVER_PROTOCOL' => 'HTTP/1.1'] as $name => $value) $_SERVER[$name] = $value;
define('WP_INSTALLING', true);
require 'wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';
if (!is_blog_installed()) wp_install('Live', 'admin', 'admin@live.example', true, '', 'live');
global $wp_rewrite;
update_option('permalink_structure', '/%year%/%postname%/');
$wp_rewrite->init();
$wp_rewrite->flush_rules();
update_option('comment_moderation', 0);
update_option('comment_previously_approved', 0);
update_option('timezone_string', 'America/New_York');
if (!username_exists('hub')) wp_insert_user(['user_login' => 'hub', 'user_pass' => 'live',
    'user_email' => 'hub@live.example', 'display_name' => 'The hub', 'role' => 'editor']);
foreach (['admin', 'hub'] as $name) {
    $user = get_user_by('login', $name)->ID;
    WP_Application_Passwords::delete_all_application_passwords($user);
    [$made[$name]] = WP_Application_Passwords::create_new_application_password(
        $user, ['name' => 'live']);
}
file_put_contents($argv[1], json_encode($made));
"""
ROUTER = """\
<?php
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path !== '/' && is_file($_SERVER['DOCUMENT_ROOT'] . $path)) return false;
$_SERVER['SCRIPT_NAME'] = '/index.php';
chdir($_SERVER['DOCUMENT_ROOT']);
require 'index.php';
"""
# One process group: the database, and in its foreground the web server.
START = """\
set -eu
[ -d data/mysql ] || mariadb-install-db --no-defaults --datadir="$PWD/data" --user={user} \\
  --auth-root-authentication-method=normal --skip-test-db
mariadbd --no-defaults --datadir="$PWD/data" --socket={socket} --pid-file="$PWD/db.pid" \\
  --skip-networking --user={user} --innodb-buffer-pool-size=64M &
for try in $(seq 300); do
  mariadb --no-defaults -u root -S {socket} -e 'create database if not exists wordpress' && break
  sleep 0.1
done
cd www
php -d mysqli.default_socket={socket} ../install.php ../passwords.json
PHP_CLI_SERVER_WORKERS=3 exec php -d mysqli.default_socket={socket} -S {address} -t . ../router.php
"""


class WordPress(System):
    """https://developer.wordpress.org/advanced-administration/before-install/howto-install/."""

    name = "wordpress"

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="hub-live-"))  # a socket's path must be short

    def install(self) -> None:
        packages = ["wordpress", "php-cli", "php-mysql", "mariadb-server"]
        debian.install(self.name, packages, service="mariadb")

    def command(self) -> Sequence[str | Path]:
        # As root at work, Debian's own configuration would be read in place of this one.
        www = self.home / "www"
        if not www.exists():
            shutil.copytree(PROGRAM, www, ignore_dangling_symlinks=True)
        (www / "wp-config.php").unlink(missing_ok=True)
        socket = self.folder / "db.sock"
        places = {"socket": socket, "user": getpass.getuser(), "url": self.url}
        places["address"] = f"127.0.0.1:{self.port}"
        written = {"www/wp-config.php": CONFIG, "start.sh": START}
        for name, text in (written | {"install.php": INSTALL, "router.php": ROUTER}).items():
            filled = text.format_map(places) if name in written else text
            (self.home / name).write_text(filled)
        (self.home / "passwords.json").unlink(missing_ok=True)
        return ["/bin/sh", "start.sh"]

    def ready(self) -> str:
        return f"{self.url}/wp-json/wp/v2/posts"

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def password(self, user: str) -> str:
        made: dict[str, str] = json.loads((self.home / "passwords.json").read_text())
        return made[user]

    def blog(self) -> "Blog":
        return Blog(self.url, self.password(ADMIN))


class Blog:
    """The administrator's client: what people do in WordPress's own pages.

    https://developer.wordpress.org/rest-api/reference/
    """

    def __init__(self, url: str, password: str) -> None:
        self.http = httpx2.Client(
            base_url=f"{url}/wp-json/wp/v2",
            auth=(ADMIN, password),
            timeout=60,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def write(self, title: str, content: str, **more: Any) -> int:
        post = {"title": title, "content": content, "status": "publish"} | more
        return int(self._send("/posts", post)["id"])

    def change(self, post: int, **fields: Any) -> None:
        self._send(f"/posts/{post}", fields)

    def drop(self, what: str, number: int, *, for_good: bool = False) -> None:
        asked = {"force": "true"} if for_good else {}
        self.http.delete(f"/{what}/{number}", params=asked).raise_for_status()

    def comment(self, post: int, content: str, **more: Any) -> int:
        said = {"post": post, "content": content, "author_name": "Robin Weber"} | more
        said |= {"author_email": "robin@acme.example"}
        return int(self._send("/comments", said)["id"])

    def term(self, taxonomy: str, name: str) -> int:
        found = self.http.get(f"/{taxonomy}", params={"search": name}).raise_for_status().json()
        return int(found[0]["id"] if found else self._send(f"/{taxonomy}", {"name": name})["id"])

    def _send(self, path: str, record: dict[str, Any]) -> Any:
        return self.http.post(path, json=record).raise_for_status().json()
