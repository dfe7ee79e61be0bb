"""What srun sets is what PyTorch reads."""
import pytest

from mmseg_uncertainty.apis.distributed import slurm_environment

SLURM = dict(SLURM_PROCID='3', SLURM_NTASKS='8', SLURM_LOCALID='1', MASTER_ADDR='node7')


def test_variables_of_srun_are_translated(monkeypatch):
    monkeypatch.delenv('MASTER_PORT', raising=False)
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    assert slurm_environment() == dict(RANK='3', WORLD_SIZE='8', LOCAL_RANK='1', MASTER_ADDR='node7', MASTER_PORT='29500')


def test_the_first_host_leads(monkeypatch, tmp_path):
    scontrol = tmp_path / 'scontrol'
    scontrol.write_text('#!/bin/sh\necho node1\necho node2\n')
    scontrol.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:/bin:/usr/bin')
    monkeypatch.delenv('MASTER_ADDR', raising=False)
    for name, value in dict(SLURM, SLURM_NODELIST='node[1-2]', MASTER_PORT='1234').items():
        if name != 'MASTER_ADDR':
            monkeypatch.setenv(name, value)
    assert slurm_environment()['MASTER_ADDR'] == 'node1' and slurm_environment()['MASTER_PORT'] == '1234'


def test_a_process_that_srun_did_not_start_is_told(monkeypatch):
    monkeypatch.delenv('SLURM_PROCID', raising=False)
    with pytest.raises(ValueError, match='SLURM_PROCID.*srun'):
        slurm_environment()
