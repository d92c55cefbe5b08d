"""What people meet on the page that `site` writes, in headless Chromium; ci/checks/site makes the catalogs.

    site.py AXE SCREENSHOTS URL LOG URL LOG

The first catalog has many extensions, the second two; LOG is what its web server was asked for.
"""

import base64
import contextlib
import json
import pathlib
import shutil
import sys

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

DESKTOP, PHONE = (1280, 1000), (360, 740)
VERSIONS = ["1.30.8", "1.31.5", "1.31.6", "1.32.0"]
FLAGS = [
    "headless",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
    "disable-dev-shm-usage",
]


def check(fact, what):
    """Ends the run where it is not so."""
    if not fact:
        sys.exit(f"error: {what}")


def same(found, wanted, what):
    check(found == wanted, f"{what}: {found!r}, not {wanted!r}")


@contextlib.contextmanager
def browser(javascript=True):
    """A fresh profile each time; nothing of it is left."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in FLAGS:
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    if not javascript:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.set_page_load_timeout(60)
        yield driver
    finally:
        driver.quit()


def look(driver, size, scheme):
    """Makes the window a screen of that size, and its reader one who wants it light or dark."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def shown(driver, selector):
    return [it for it in driver.find_elements(By.CSS_SELECTOR, selector) if it.is_displayed()]


def names(driver):
    return [it.text for it in shown(driver, ".list tbody th")]


def requests(driver):
    """What the browser asked for since the last time."""
    found = []
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            found.append(message["params"]["request"]["url"])
    return found


def quiet(driver):
    """Neither errors nor violations of the page's own policy."""
    same(driver.get_log("browser"), [], "the console says")


def accessible(driver, axe, where):
    driver.execute_script(axe)
    found = driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
        ".then(done, (error) => done({error: String(error)}));"
    )
    check("error" not in found, f"axe fails at {where}: {found.get('error')}")
    check(len(found["passes"]) > 15, f"axe looked at nothing: {len(found['passes'])} rules passed")
    bad = [f"{it['id']}: {node['target']} {node['failureSummary']}" for it in found["violations"] for node in it["nodes"]]
    check(not bad, f"{where} is not accessible:\n" + "\n".join(bad))


def looks(driver, url, axe, shots, name):
    """Every look of the page at `url`: nothing sticks out, everybody can use it, light is not dark."""
    grounds = {}
    for screen, size in (("desktop", DESKTOP), ("phone", PHONE)):
        for scheme in ("light", "dark"):
            look(driver, size, scheme)
            driver.get("about:blank")
            driver.get(url)
            where = f"{name}-{screen}-{scheme}"
            width = driver.execute_script("return document.documentElement.scrollWidth")
            check(width <= size[0], f"{where} is {width} pixels wide")
            ground = "return getComputedStyle(document.body).backgroundColor"
            grounds[scheme] = driver.execute_script(ground)
            for details in driver.find_elements(By.CSS_SELECTOR, "details"):
                driver.execute_script("arguments[0].open = true", details)
            accessible(driver, axe, where)
            shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
            (shots / f"{where}.png").write_bytes(base64.b64decode(shot["data"]))
    check(grounds["light"] != grounds["dark"], f"light and dark are both {grounds['light']}")


def many(driver, url):
    """The list, the search box, and one extension at a time."""
    driver.get(url)
    same(len(names(driver)), 8, "extensions in the list")
    check("Acme <i>&amp; </title>" in driver.find_element(By.TAG_NAME, "h1").text, "the title is not as it was given")
    check(not shown(driver, ".ext"), "an extension is shown that nobody asked for")
    box = driver.find_element(By.ID, "_q")
    check(box.is_displayed(), "there is no search box")
    status = driver.find_element(By.ID, "_found")
    for typed, found in [("KUBER", ["k3s"]), ("cve-2026-1.31.5", ["k3s"]), ("t", None), ("k3s kubernetes", ["k3s"]), ("nothing", [])]:
        box.clear()
        box.send_keys(typed)
        if found is not None:
            same(names(driver), found, f"found for {typed!r}")
            same(status.text, f"{len(found)} extension{'' if len(found) == 1 else 's'} found", "the status")
        else:
            check(0 < len(names(driver)) < 8, f"{typed!r} finds {names(driver)}")
    box.clear()
    box.send_keys(" ", Keys.BACKSPACE)
    same((len(names(driver)), status.text), (8, ""), "without words")
    # Return goes to the only one that fits.
    box.send_keys("kubernetes", Keys.ENTER)
    WebDriverWait(driver, 10).until(lambda it: it.current_url.endswith("#k3s"))
    same([it.get_attribute("id") for it in shown(driver, ".ext")], ["k3s"], "shown")
    check(not names(driver), "the list is still there")
    same(driver.title, "k3s – Acme <i>&amp; </title>", "the title of the window")
    text = driver.find_element(By.ID, "k3s").text
    for word in [*VERSIONS, "withdrawn", "eats <b>disks</b>", "rollout", "OS: debian 13", "OS: any", "testing", "CVE-2026-10001.31.5"]:
        check(word in text, f"{word} is not shown of k3s:\n{text}")
    # What is copied is what stands there.
    driver.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
    button = shown(driver, "#k3s .cmd button")[0]
    button.click()
    WebDriverWait(driver, 10).until(lambda _: button.text == "Copied")
    read = "const done = arguments[0]; navigator.clipboard.readText().then(done, (error) => done(String(error)));"
    same(driver.execute_async_script(read), "sysext-fetch install k3s", "copied")
    driver.find_element(By.CSS_SELECTOR, "#k3s .back a").click()
    check(names(driver), "there is no way back")
    # What comes after a retired one is a link.
    driver.get(f"{url}#old")
    shown(driver, "#old .notice a")[0].click()
    text = driver.find_element(By.ID, "one").text
    check("and 3 older images" in text, f"older ones are not counted:\n{text}")
    check("1.23" in text and "1.4" in text, f"newer ones are not there:\n{text}")
    driver.get(f"{url}#hostile")
    text = driver.find_element(By.ID, "hostile").text
    for word in ["<script>window.evil = 1</script>", 'onerror="window.evil = 2"', "<script>window.evil=3</script>"]:
        check(word in text, f"{word} is not shown as text:\n{text}")
    same(driver.execute_script("return window.evil"), None, "what a stranger's script did")


def later(driver, url):
    """What depends on the time of day: overdue when nothing was signed again, and no rollout that is over."""
    driver.get(f"{url}#k3s")
    check(not shown(driver, "#k3s [data-from]") and shown(driver, "#k3s [data-until]"), "it is not today")
    source = "const really = Date.now; Date.now = () => really() + 10 * 365 * 86400 * 1000;"
    script = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    driver.refresh()
    check(shown(driver, "#k3s [data-from]"), "an index of ten years ago is not called overdue")
    check(not shown(driver, "#k3s [data-until]"), "a rollout of ten years ago goes on")
    driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def keyboard(driver, url):
    """The first stop is the way to the extensions, and one sees where one is."""
    driver.get(url)
    driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    focused = driver.switch_to.active_element
    same(focused.text, "Skip to the extensions", "the first stop")
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    same(driver.execute_script(outline), "solid", "the outline of what has the focus")


def without_javascript(url, few):
    with browser(javascript=False) as driver:
        look(driver, DESKTOP, "light")
        driver.get(url)
        same(len(names(driver)), 8, "extensions in the list without JavaScript")
        check(not shown(driver, "#_q, button"), "what needs JavaScript is shown without")
        # The link alone leads there.
        driver.find_element(By.CSS_SELECTOR, ".list a[href='#k3s']").click()
        text = driver.find_element(By.ID, "k3s").text
        for version in VERSIONS:
            check(version in text, f"{version} can not be read without JavaScript:\n{text}")
        check("sysext-fetch install k3s" in text, "there is no command")
        driver.get(few)
        check(shown(driver, "#tool .versions") and shown(driver, "#other"), "the two extensions are not shown below the list")


def policy_holds(driver, url):
    """A script that got into the page all the same does not run, and that is noticed here."""
    driver.get(url)
    quiet(driver)
    driver.execute_script(
        "const add = (tag, set) => { try { const it = document.createElement(tag); set(it); document.body.append(it); }"
        " catch {} };"
        "add('script', (it) => { it.textContent = 'window.evil = 4'; });"
        "add('img', (it) => { it.src = '/evil.png'; });"
        "add('div', (it) => { it.setAttribute('onclick', 'window.evil = 5'); it.click(); });"
    )
    same(driver.execute_script("return window.evil"), None, "what an injected script did")
    WebDriverWait(driver, 10).until(lambda it: len(it.get_log("browser")) > 0)


def main():
    axe, shots = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"), pathlib.Path(sys.argv[2])
    url, log, few, few_log = sys.argv[3:]
    pages = {url, few}
    views = [("list", url), ("few", few), *((name, f"{url}#{name}") for name in ("k3s", "hostile", "old"))]
    with browser() as driver:
        look(driver, DESKTOP, "light")
        many(driver, url)
        later(driver, url)
        keyboard(driver, url)
        for name, address in views:
            looks(driver, address, axe, shots, name)
        quiet(driver)
        look(driver, DESKTOP, "light")
        driver.get(few)
        check(shown(driver, "#tool .versions") and shown(driver, "#other"), "the two extensions are not shown below the list")
        box = driver.find_element(By.ID, "_q")
        box.send_keys("nothing")
        check(not names(driver) and not shown(driver, ".ext"), "what does not fit is still there")
        box.clear()
        box.send_keys("cve-2026-7")
        check((names(driver), len(shown(driver, ".ext"))) == (["tool"], 1), "what fits is not there")
        asked = [it for it in requests(driver) if not it.startswith("data:") and it != "about:blank"]
        strange = sorted({it for it in asked if it.split("#")[0] not in pages})
        check(asked and not strange, f"the page asks for {strange}")
        policy_holds(driver, url)
    without_javascript(url, few)
    for path in (log, few_log):
        lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
        asked = {" ".join(line.split()[1:3]) for line in lines if " GET " in line}
        same(asked, {"GET /"}, f"what the server of {path} was asked for")
    print(f"{len(views) * 4} looks, each accessible; no request but for the page")


main()
