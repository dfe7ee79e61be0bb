"""A person's way through the app, in a real browser. ``SCREENSHOTS=DIR`` keeps pictures of every tab."""
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

WAIT = 60
# Control and a.
SELECT_ALL = '\ue009a\ue009'


@pytest.fixture(scope='module')
def screen(page, browser):
    return Screen(page, browser)


class Screen:
    """What a person sees and does."""

    def __init__(self, page, browser):
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.ui import WebDriverWait
        self.browser, self.css, self.wait = browser, By.CSS_SELECTOR, WebDriverWait(browser, WAIT, poll_frequency=0.05)
        browser.get(page.local_url)
        self.until_drawn('#uncertainty-picture img')

    def all(self, selector):
        return self.browser.find_elements(self.css, selector)

    def one(self, selector):
        return self.wait.until(lambda _: next(iter(self.all(selector)), None))

    def source(self, selector):
        found = self.all(selector)
        return found[0].get_attribute('src') if found else None

    def text(self, selector):
        return self.browser.execute_script('return document.querySelector(arguments[0])?.innerText ?? ""', selector)

    def until_drawn(self, selector, other_than=None):
        return self.wait.until(lambda _: self.source(selector) not in (None, '', other_than) and self.source(selector))

    def until_text(self, selector, part, absent=''):
        self.wait.until(lambda _: part in self.text(selector) and (not absent or absent not in self.text(selector)))
        return self.text(selector)

    def open_tab(self, name):
        next(tab for tab in self.tabs() if tab.text == name).click()

    def tabs(self):
        return [tab for tab in self.all('button[role=tab]') if tab.text]

    def slide(self, selector, value):
        field = self.one(f'{selector} input[type=number]')
        self.browser.execute_script(
            'arguments[0].value = arguments[1]; for (const kind of ["input", "change", "blur"])'
            'arguments[0].dispatchEvent(new Event(kind, {bubbles: true}))', field, str(value))

    def choose(self, selector, text):
        next(label for label in self.all(f'{selector} label') if label.text == text).click()

    def keep(self, name):
        if os.environ.get('SCREENSHOTS'):
            self.browser.execute_script('window.scrollTo(0, 0)')
            self.browser.save_screenshot(str(Path(os.environ['SCREENSHOTS']) / f'{name}.png'))


def test_the_threshold_slider_changes_the_picture(screen):
    screen.open_tab('Sets')
    before, facts = screen.source('#threshold-picture img'), screen.text('#threshold-facts')
    screen.slide('#nines', 4.5)
    after = screen.until_drawn('#threshold-picture img', before)
    assert '0.999968' in screen.until_text('#threshold-facts', 'λ = 0.99996') and facts
    screen.choose('#family', 'APS')
    screen.until_drawn('#threshold-picture img', after)
    screen.keep('app_thresholding')


def test_promises_follow_live(screen):
    screen.open_tab('Promises')
    facts = screen.until_text('#promise-facts', 'expected set size')
    picture, curve = screen.source('#promise-picture img'), screen.source('#promise-curve img')
    screen.slide('#alpha', 0.02)
    screen.until_drawn('#promise-picture img', picture)
    screen.until_drawn('#promise-curve img', curve)
    stricter = screen.until_text('#promise-facts', 'λ̂', facts)
    assert sizes(stricter) > sizes(facts)
    screen.choose('#loss', 'images below τ')
    screen.slide('#alpha', 0.1)
    screen.until_text('#promise-facts', 'from 200 images', stricter)
    screen.wait.until(lambda _: screen.one('#tau').is_displayed())
    screen.choose('#loss', 'missed pixels')
    screen.slide('#alpha', 0.01)
    screen.until_text('#promise-facts', 'calibration loss 0.00')
    screen.keep('app_conformal')


def sizes(facts):
    return float(facts.split('expected set size')[1].split()[0])


def test_decisions_follow_what_an_error_may_cost(screen):
    screen.open_tab('Decisions')
    facts = screen.until_text('#decision-facts', 'false alarms')
    picture, curve = screen.until_drawn('#decision-picture img'), screen.until_drawn('#decision-curve img')
    assert 'At most 5 % of the right pixels' in facts and 'from 200 images' in facts
    screen.slide('#decision-alpha', 0.2)
    looser = screen.until_text('#decision-facts', 'At most 20 %')
    screen.until_drawn('#decision-picture img', picture)
    screen.until_drawn('#decision-curve img', curve)
    assert flagged(looser) > flagged(facts)
    screen.choose('#decision-kind', 'misses')
    screen.until_text('#decision-facts', 'At most 20 % of the mistakes')
    screen.choose('#decision-kind', 'false alarms')
    screen.slide('#decision-alpha', 0.05)
    screen.until_text('#decision-facts', 'At most 5 % of the right pixels')
    screen.keep('app_decisions')


def flagged(facts):
    return float(facts.split('this image:')[1].split('%')[0])


def test_uncertainty_flags_and_names_the_classes_of_a_pixel(screen):
    screen.open_tab('Uncertainty')
    before = screen.until_drawn('#uncertainty-picture img')
    facts = screen.text('#uncertainty-facts')
    screen.slide('#flag', 0.2)
    flagged = screen.until_drawn('#uncertainty-picture img', before)
    screen.until_text('#uncertainty-facts', 'found', facts)
    screen.one('#errors input').click()
    screen.until_drawn('#uncertainty-picture img', flagged)
    screen.keep('app_errors')
    unmarked = screen.source('#uncertainty-picture img')
    screen.one('#uncertainty-picture img').click()
    shown = screen.until_text('#pixel', '%')
    assert sum(float(part[:-1]) for part in shown.split() if part.endswith('%') and part[:-1].isdigit()) > 90
    facts = screen.until_text('#pixel-facts', 'msp')
    assert 'row' in facts and 'set: ' in facts
    screen.until_drawn('#uncertainty-picture img', unmarked)
    drawn = screen.source('#uncertainty-picture img')
    screen.one('#errors input').click()
    screen.until_drawn('#uncertainty-picture img', drawn)
    screen.keep('app_uncertainty')


def test_a_pixel_is_chosen_without_a_mouse(screen):
    screen.open_tab('Uncertainty')
    before = screen.until_drawn('#uncertainty-picture img')
    for part, value in (('row', 20), ('column', 9999)):
        screen.one(f'#pixel-{part} input').send_keys(f'{SELECT_ALL}{value}')
    screen.until_text('#pixel-facts', 'row 20, column 255')
    assert screen.until_drawn('#uncertainty-picture img', before) != before and '%' in screen.until_text('#pixel', '%')


def test_every_head_can_be_chosen(screen):
    screen.open_tab('Uncertainty')
    before = screen.source('#uncertainty-picture img')
    screen.one('#head input').click()
    next(option for option in screen.all('ul[role=listbox] li') if 'fedc' in option.text).click()
    assert screen.until_drawn('#uncertainty-picture img', before) != before
    assert 'log-odds' in screen.until_text('#flag', 'log-odds')
    assert 'flow' in screen.until_text('#head-meaning', 'fedc')


def test_keys_open_tabs_and_examples_and_a_link_shows_the_same_again(screen, page):
    def press(key):
        screen.browser.execute_script(
            'document.activeElement.blur();'
            'document.body.dispatchEvent(new KeyboardEvent("keydown", {key: arguments[0], bubbles: true}))', key)

    press('3')
    screen.wait.until(lambda _: screen.one('#nines').is_displayed())
    before = screen.source('#prediction img')
    press('ArrowRight')
    second = screen.until_drawn('#prediction img', before)
    screen.wait.until(lambda _: 'example=1' in screen.browser.current_url)
    screen.slide('#nines', 3.5)
    screen.wait.until(lambda _: 'nines=3.5' in screen.browser.current_url)
    screen.browser.get(screen.browser.current_url)
    screen.until_drawn('#prediction img')
    screen.until_text('#threshold-facts', 'λ = 0.99968')
    assert screen.one('#nines').is_displayed() and screen.one('#nines input[type=number]').get_attribute('value') == '3.5' and second
    screen.browser.get(page.local_url + '?example=1&tab=Uncertainty&head=entropy&flag=1.23')
    screen.until_drawn('#uncertainty-picture img')
    screen.wait.until(lambda _: float(screen.one('#flag input[type=number]').get_attribute('value')) == pytest.approx(1.23, abs=.01))
    # The threshold that was chosen stays for the next image.
    before = screen.source('#uncertainty-picture img')
    press('ArrowLeft')
    screen.until_drawn('#uncertainty-picture img', before)
    assert float(screen.one('#flag input[type=number]').get_attribute('value')) == pytest.approx(1.23, abs=.01)
    screen.browser.get(page.local_url + '?example=99&nines=nothing&head=nonesuch')
    screen.until_drawn('#uncertainty-picture img')


@pytest.mark.parametrize('width', [1400, 412])
def test_nothing_runs_out_of_the_page(screen, width):
    # Pages that were left broke off their requests.
    screen.browser.get_log('browser')
    screen.browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride',
                                   dict(width=width, height=1000, deviceScaleFactor=1, mobile=False))
    try:
        screen.wait.until(lambda _: len(screen.tabs()) == 4)
        for tab in ('Uncertainty', 'Decisions', 'Sets', 'Promises'):
            screen.open_tab(tab)
            assert screen.browser.execute_script('return document.documentElement.scrollWidth') <= width
            screen.keep(f'app_{tab.lower()}_{width}')
        screen.open_tab('Uncertainty')
        ends = [screen.browser.execute_script('return document.querySelector(arguments[0]).getBoundingClientRect().bottom', part)
                for part in ('#prediction', '#prediction-legend')]
        assert max(ends) < 500
        top = 'return document.querySelector("#uncertainty-picture img").getBoundingClientRect().top'
        assert screen.browser.execute_script(top) < 700
        errors = screen.one('#errors').rect
        assert errors['width'] > 100 and errors['x'] + errors['width'] <= width
        errors = [entry for entry in screen.browser.get_log('browser') if entry['level'] == 'SEVERE']
        assert not errors
    finally:
        screen.browser.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})


def test_frames_of_a_video_are_predicted(screen, tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / 'street.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 10, (96, 64))
    for index in range(8):
        writer.write(np.full((64, 96, 3), 30 * index, np.uint8))
    writer.release()
    before = screen.source('#prediction img')
    screen.one('#upload input[type=file]').send_keys(str(tmp_path / 'street.mp4'))
    first = screen.until_drawn('#prediction img', before)
    slider = screen.wait.until(lambda _: next((field for field in screen.all('#frame input[type=range]')), None))
    slider.send_keys('\ue010')  # End
    slider.send_keys('\ue012')  # Left
    assert screen.until_drawn('#prediction img', first) != first
    clear_upload(screen)


def test_another_example_is_predicted(screen):
    screen.open_tab('Sets')
    before = screen.source('#prediction img')
    screen.all('#examples button.thumbnail-item')[2].click()
    assert screen.until_drawn('#prediction img', before) != before


@pytest.mark.parametrize('size', [(90, 150), (37, 53)])
def test_an_own_image_is_predicted(screen, tmp_path, size):
    before = screen.source('#prediction img')
    pixels = np.random.default_rng(size[0]).integers(0, 256, (*size, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'own.png')
    screen.one('#upload input[type=file]').send_keys(str(tmp_path / 'own.png'))
    assert screen.until_drawn('#prediction img', before) != before
    screen.open_tab('Uncertainty')
    assert 'labels unknown' in screen.until_text('#uncertainty-facts', 'labels unknown')
    clear_upload(screen)


@pytest.mark.parametrize('name, content, message', [
    ('cut.jpg', b'\xff\xd8\xff\xe0' + bytes(200), 'cut.jpg was cut off'),
    ('note.png', b'this is no picture at all', 'note.png is not an image'),
    ('note.txt', b'this is no picture at all', 'file type')])
def test_a_wrong_file_gives_a_message(screen, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    before = screen.source('#prediction img')
    screen.one('#upload input[type=file]').send_keys(str(tmp_path / name))
    screen.wait.until(lambda _: message.lower() in screen.text('.toast-body, .toast-wrap').lower())
    assert str(tmp_path) not in screen.text('.toast-wrap') and before
    screen.wait.until(lambda _: not screen.source('#prediction img'))
    screen.open_tab('Uncertainty')
    screen.wait.until(lambda _: not screen.source('#uncertainty-picture img'))
    assert 'cannot be used' in screen.text('#prediction-legend') and not screen.text('#uncertainty-facts')
    screen.keep('app_wrong_file')
    assert not [badge for badge in screen.all('.error') if badge.is_displayed() and badge.text == 'Error']
    for button in screen.all('.toast-close'):
        button.click()
    clear_upload(screen)
    screen.all('#examples button.thumbnail-item')[0].click()
    screen.until_drawn('#prediction img')


def clear_upload(screen):
    for button in screen.all('#upload button[aria-label="Clear"], #upload button[aria-label="Remove this file"]'):
        screen.browser.execute_script('arguments[0].click()', button)
    screen.one('#upload input[type=file]')
